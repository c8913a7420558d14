# RPC::XML guesses types: digits become numbers, "+49..." too.
use strict;
use warnings;
use RPC::XML::Client;

my $client = RPC::XML::Client->new($ENV{SMSGATE_URL}) or die "no client";

sub call {
    my $answer = $client->send_request(@_);
    die "no answer: $answer\n" unless ref $answer;
    return $answer;
}

die "ping" unless call('ping')->value eq 'OK';
my $id = call('send_sms', 'tok-send', '', '+491701234567', 12345, 0);
die $id->string if $id->is_fault;
die "id: " . $id->value unless length($id->value) == 36;
my $state = call('get_message', 'tok-send', $id->value)->value;
die "recipient: $state->{recipient}" unless $state->{recipient} eq '+491701234567';
my $messages = call('get_sms', 'tok-00', '+491760000000')->value;
die "messages: " . @$messages unless @$messages == 2 && $messages->[0]{text} eq 'one';
my $fault = call('get_stats', 12345);
die "fault" unless $fault->is_fault && $fault->code == 401 && $fault->string eq 'Invalid API token.';
my $stats = call('get_stats', 'tok-stats')->value;
die "stats" unless $stats->[0] eq 'OK' && $stats->[1]{'00'}{current_signal} == -71;
print "fine\n";
