//! Placeholder of this room; filled before the first release.
