//! What the causes mean.

mod advertised;
mod path;

use super::Text;
use crate::diagnose::Cause;

/// What `cause` means.
#[must_use]
pub const fn cause(cause: Cause) -> &'static Text {
    match cause {
        Cause::UnusableAddress => &advertised::UNUSABLE_ADDRESS,
        Cause::PrivateAddress => &advertised::PRIVATE_ADDRESS,
        Cause::AddressMismatch => &advertised::ADDRESS_MISMATCH,
        Cause::ClientRefused => &advertised::CLIENT_REFUSED,
        Cause::ReplyDropped => &advertised::REPLY_DROPPED,
        Cause::PortOutOfRange => &advertised::PORT_OUT_OF_RANGE,
        Cause::PortRewritten => &advertised::PORT_REWRITTEN,
        Cause::PathBlocked => &path::PATH_BLOCKED,
        Cause::LocalDrop => &path::LOCAL_DROP,
        Cause::DroppedBeyond => &path::DROPPED_BEYOND,
        Cause::NotListening => &path::NOT_LISTENING,
        Cause::Rejected => &path::REJECTED,
        Cause::ReturnPath => &path::RETURN_PATH,
    }
}
