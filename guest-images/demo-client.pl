#!/usr/bin/perl
# demo-client.pl SOCKET LINE: the host's side of the demo: connects, sends the line, prints the answer. Succeeds if the
# answer repeats the line. $VM is the process to give up with. (Perl, since every Debian has it.)
use strict;
use warnings;
use IO::Socket::UNIX;

$| = 1;
my ($path, $line) = @ARGV;
my $client;
until ($client = IO::Socket::UNIX->new(Peer => $path)) {
    kill(0, $ENV{VM}) or die "host  | the VM ended before its socket was there\n";
    select(undef, undef, undef, 0.05);
}
print "host  | connected to $path\n";
print {$client} "$line\n";
$client->flush;
print "host  | sent: $line\n";
my $answer = <$client>;
defined $answer or die "host  | the VM hung up without an answer\n";
chomp $answer;
print "host  | received: $answer\n";
exit(index($answer, $line) >= 0 ? 0 : 1);
