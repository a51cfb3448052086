//! (markers)
