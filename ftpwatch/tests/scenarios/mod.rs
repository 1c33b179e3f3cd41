//! What may happen on the wire, and what the engine must make of it: scripts of packets with expectations, for the host's
//! store (engine.rs) and the kernel's programs (kernel.rs) alike.
//!
//! What belongs here: scenarios, and what it takes to play them to a store and to look at what it has then. Expectations
//! come from the contract. What an outcome is made of that is the tracker's business, and tested beside it.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses a part of the scenarios"
)]

pub mod errors;
pub mod gaps;
pub mod generate;
pub mod handshakes;
pub mod host;
pub mod links;
pub mod play;
pub mod replies;
pub mod retire;
pub mod reuse;
pub mod script;
pub mod seen;
pub mod tls;
pub mod transfers;

pub use host::Host;
pub use play::{Store, play, play_to_both};
pub use script::{Scenario, Script, ShownOnPanic, Step};
pub use seen::Seen;

/// Calls the macro `$each` with the names of all scenarios, by module.
macro_rules! for_each_scenario {
    ($each:ident) => {
        $each! {
            replies {
                in_one_segment
                cut_anywhere_in_two
                byte_by_byte
                three_in_one_segment
                of_several_lines
                sent_again
                sent_again_with_more
                never_acknowledged
                every_packet_twice
                in_a_long_segment
                with_an_address
                that_cannot_be_decoded
                left_open
                cut_by_the_end
                and_arguments_are_not_kept
                on_another_port
                that_are_none
            }
            links {
                one_tag
                two_tags
                header_options
                padded_frames
                a_fragment
                cut_short
            }
            gaps {
                in_the_servers_bytes
                in_the_servers_bytes_told_by_the_client
                in_the_servers_bytes_told_by_an_empty_segment
                in_the_clients_bytes
                in_the_clients_bytes_told_by_the_server
                in_the_clients_bytes_told_by_an_empty_segment
                in_the_middle_of_a_reply
                and_order
                and_the_order_of_halves
                and_the_order_of_thirds
                and_the_order_of_more_than_is_kept
                and_the_order_of_long_segments
                and_what_follows
                from_the_start
            }
            handshakes {
                to_the_advertised_address
                to_the_control_address
                to_either
                without_an_end
                syn_again
                syn_twice
                refused
                resets_of_something_else
                from_elsewhere
                four_and_a_fifth
                after_refusals
                after_strangers
                from_the_same_port_again
                aborted_by_the_client
                aborted_by_the_server
                data_for_the_last_ack
                data_in_the_syn
                too_early
                of_nobody
            }
            errors {
                about_the_syn
                about_the_syn_ack
                once
                of_no_interest
                about_something_else
                about_the_endpoint_before
                cut_short
            }
            reuse {
                port_with_late_packets
                port_that_was_refused
                port_of_two_clients
                port_of_two_sessions
                port_seen_twice
                port_that_is_a_control_port
                four_tuple_opened_again
                four_tuple_after_its_end
                four_tuple_without_a_syn
                late_packets_after_the_end
                forgotten_in_the_middle
            }
            tls {
                encrypted
                accepted_twice
                refused
                clear_again
                from_the_start
                from_the_start_elsewhere
                data_that_connects
                data_that_is_refused
                data_of_others
                data_of_the_session_that_is_left
            }
            transfers {
                from_greeting_to_goodbye
                pipelined
                of_others
                aborted
                aborted_before_it_began
                active_instead
                passive_asked
                passive_refused
                closed_unasked
                without_data_connection
                refused_for_its_file
                quit
                client_closes
                client_resets
                server_closes
                more_commands_than_fit
                telnet
            }
        }
    };
}
pub(crate) use for_each_scenario;
