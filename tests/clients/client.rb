# Ruby's client, one connection for all calls.
require 'xmlrpc/client'

client = XMLRPC::Client.new2(ENV['SMSGATE_URL'])
raise 'ping' unless client.call('ping') == 'OK'
id = client.call('send_sms', 'tok-send', '', '+491701234567', 'Grüße', false)
raise "id: #{id}" unless id.length == 36
raise 'status' unless client.call('get_delivery_status', 'tok-send', id) == false
messages = client.call('get_sms', 'tok-00', '')
raise 'messages' unless messages.map { |message| message['text'] } == ['one', "two \u{1f600}"]
raise 'time' unless messages[0]['timestamp'].year >= 2024
ok, faulty = client.call2('get_stats', 'bad')
raise 'fault' unless !ok && faulty.faultCode == 401 && faulty.faultString == 'Invalid API token.'
stats = client.call('get_stats', 'tok-stats')
raise 'stats' unless stats[1]['00']['current_signal'] == -71
puts 'fine'
