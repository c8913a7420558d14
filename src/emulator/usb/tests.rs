//! Conversations of a machine with devices, over octets.
