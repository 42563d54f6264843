//! Tests of the codec as a whole; what Clojure says to each text was asked of Clojure 1.11 itself.

mod bridge;
mod equality;
mod forms;
mod lenient;
mod properties;
mod strict;
mod transcripts;
mod written;
