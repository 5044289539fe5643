//! Sallyport.
#![forbid(unsafe_code)]
