//! Certificate store, SNI, files and the internal CA.
