//! The web application firewall: SecLang compiled to a union scan.
