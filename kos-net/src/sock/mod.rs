//! What sockets share: finding the one that a packet is for ([`demux`]).

pub mod demux;
