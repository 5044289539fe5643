//! Sallyport.
