//! Clusters of nsqds and nsqlookupds with other people's consumers, which poll nsqlookupds and connect to what they find:
//! nodes, nsqlookupds and topics come and go.

mod bad_lookupds;
mod cluster;
mod lookupds;
mod nodes;
mod topics;
