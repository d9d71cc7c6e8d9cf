//! Files as a killed process or a bad disk leaves them.
