//! What the daemons share: options, logging, HTTP errors, signals.
