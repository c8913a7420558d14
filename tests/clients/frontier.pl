# Frontier::Client reads values through its own parser and dies on faults.
use strict;
use warnings;
use Frontier::Client;

my $client = Frontier::Client->new(url => $ENV{SMSGATE_URL});
die "ping" unless $client->call('ping') eq 'OK';
my $id = $client->call('send_sms', 'tok-send', '', '+491701234567', 'text', $client->boolean(1));
die "id: $id" unless length($id) == 36;
die "status" if $client->call('get_delivery_status', 'tok-send', $id)->value;
eval { $client->call('get_stats', 'bad') };
die "fault: $@" unless $@ =~ /Invalid API token/;
print "fine\n";
