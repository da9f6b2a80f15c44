/** The command that sends a first reading. */

const DEFAULT_MQTT_PORT = '1883';

/** `host:port` of the MQTT listener into what `mosquitto_pub` wants. */
export function publishLine(mqttHint: string | null | undefined, hostname: string): string {
  const [host, port] = mqttHint ? splitHint(mqttHint) : [hostname || 'localhost', DEFAULT_MQTT_PORT];
  return `mosquitto_pub -h ${host} -p ${port} -q 1 -t demo/press1/temperature -m 23.4`;
}

function splitHint(hint: string): [string, string] {
  const colon = hint.lastIndexOf(':');
  if (colon < 0) return [hint, DEFAULT_MQTT_PORT];
  return [hint.slice(0, colon).replace(/^\[|\]$/g, ''), hint.slice(colon + 1)];
}
