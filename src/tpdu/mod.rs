//! TPDUs of TS 23.040 with the alphabets of TS 23.038: octets to values and back.
//!
//! Works both ways for every TPDU, so that the emulator speaks with the same codec as the gateway. Pure: no I/O, no
//! clock, and no panic whatever the octets.
