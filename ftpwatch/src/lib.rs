//! ftpwatch
