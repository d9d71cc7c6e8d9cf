//! Clusters of nsqds and nsqlookupds with other people's consumers, which poll nsqlookupds and connect to what they find:
//! nodes, nsqlookupds and topics come and go, and networks are cut.

mod bad_lookupds;
mod cluster;
mod lookupds;
mod network;
mod nodes;
mod partitions;
mod topics;
