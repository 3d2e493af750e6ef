#!/usr/bin/perl
# Asks for / until a file appears, half of the time on a connection that stays open: "asked N, failed M".
# Needs nothing that a minimal Debian lacks. At most 20,000 requests and five minutes.
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $stop) = @ARGV;
my ($asked, $failed, $kept) = (0, 0, undef);
my $until = time + 300;
until (-e $stop || time > $until || $asked >= 20_000) {
    my $keep = $asked % 2;
    $kept //= IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 10);
    $asked++;
    my $answer = '';
    if ($kept) {
        local $SIG{PIPE} = 'IGNORE';
        print {$kept} "GET / HTTP/1.1\r\nHost: x.test\r\n" . ($keep ? '' : "Connection: close\r\n") . "\r\n";
        $kept->flush;
        while (sysread($kept, my $piece, 65536)) {
            $answer .= $piece;
            my ($length) = $answer =~ /^content-length: (\d+)\r$/im;
            my $head = index $answer, "\r\n\r\n";
            last if $head > 0 && defined $length && length($answer) >= $head + 4 + $length;
        }
    }
    $failed++ if $answer !~ m{^HTTP/1.1 200 };
    undef $kept if !$keep || $answer !~ m{^HTTP/1.1 200 } || $answer =~ /^connection: close\r$/im;
    select undef, undef, undef, 0.002;
}
print "asked $asked, failed $failed\n";
exit($failed ? 1 : 0);
