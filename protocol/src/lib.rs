//! The NSQ wire protocol: names, frames, commands, IDENTIFY, message ids, errors.
