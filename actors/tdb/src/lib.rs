//! libtdb binding.
