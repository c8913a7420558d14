<?php
// The XML as PHP's xmlrpc_encode_request writes it: ISO-8859-1 declared, everything else as character references.
function call(string $method, string ...$values): SimpleXMLElement
{
    $params = '';
    foreach ($values as $value) {
        $params .= " <param>\n  <value>\n   $value\n  </value>\n </param>\n";
    }
    $body = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<methodCall>\n<methodName>$method</methodName>\n"
        . "<params>\n$params</params>\n</methodCall>\n";
    $curl = curl_init(getenv('SMSGATE_URL'));
    curl_setopt_array($curl, [
        CURLOPT_CAINFO => getenv('SMSGATE_CA'),
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_HTTPHEADER => ['Content-Type: text/xml'],
        CURLOPT_RETURNTRANSFER => true,
    ]);
    $answer = curl_exec($curl);
    if ($answer === false || curl_getinfo($curl, CURLINFO_RESPONSE_CODE) !== 200) {
        throw new Exception('no answer: ' . curl_error($curl));
    }
    return new SimpleXMLElement($answer);
}

function expect(bool $condition, string $what): void
{
    if (!$condition) {
        fwrite(STDERR, "$what\n");
        exit(1);
    }
}

expect((string) call('ping')->params->param->value->string === 'OK', 'ping');
$id = (string) call('send_sms', '<string>tok-send</string>', '<string/>', '<string>+491701234567</string>',
    '<string>Gr&#252;&#223;e</string>', '<boolean>0</boolean>')->params->param->value->string;
expect(strlen($id) === 36, "id: $id");
$fault = call('get_stats', '<int>1</int>')->fault->value->struct->member;
expect((int) $fault[0]->value->int === 401, 'fault code');
expect((string) $fault[1]->value->string === 'Invalid API token.', 'fault string');
echo "fine\n";
