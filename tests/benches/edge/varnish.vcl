vcl 4.1;

# The bench's fourth: everything is cached for an hour.
backend origin {
    .host = "127.0.0.1";
    .port = "28099";
}

sub vcl_backend_response {
    set beresp.ttl = 1h;
}
