//! Tests of whole binaries over real sockets.
