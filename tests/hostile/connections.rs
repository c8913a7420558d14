//! S6 and S7: connections that are held, dragged out, chopped, stacked and broken off.
