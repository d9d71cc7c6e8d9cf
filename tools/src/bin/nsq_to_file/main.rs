//! Writes the messages of topics to files, and acknowledges only what is on the disk.

mod datetime;
mod encoding;
mod failure;
mod folder;
mod moving;
mod names;
mod opening;
mod rotation;
mod sync_batch;
mod topic_files;

fn main() {}
