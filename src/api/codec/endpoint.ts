import type { EndpointSettings } from '../../engine/containers/model.ts';
import { int, list, record, string } from './codec.ts';
import { field, object, omitEmpty } from './object.ts';

interface IpamConfig {
  ipv4Address: string;
  ipv6Address: string;
  linkLocalIPs: string[];
}

const ipamConfig = object<IpamConfig>('EndpointIPAMConfig', {
  ipv4Address: omitEmpty('IPv4Address', string),
  ipv6Address: omitEmpty('IPv6Address', string),
  linkLocalIPs: omitEmpty('LinkLocalIPs', list(string)),
});

interface WireEndpoint extends Omit<EndpointSettings, keyof IpamConfig> {
  ipam: IpamConfig;
}

const wireEndpoint = object<WireEndpoint>('EndpointSettings', {
  ipam: field('IPAMConfig', {
    ...ipamConfig,
    encode: (value) =>
      value.ipv4Address === '' && value.ipv6Address === '' && value.linkLocalIPs.length === 0
        ? null
        : ipamConfig.encode(value),
  }),
  links: field('Links', list(string)),
  aliases: field('Aliases', list(string)),
  macAddress: field('MacAddress', string),
  driverOpts: field('DriverOpts', record(string, 'null')),
  gwPriority: field('GwPriority', int),
});

/** An endpoint as asked for; what was reached (addresses) is added by convert/endpoint.ts. */
export const endpointCodec = {
  type: wireEndpoint.type,
  zero: () => flatten(wireEndpoint.zero()),
  decode: (json: unknown, where: string) => flatten(wireEndpoint.decode(json, where)),
  encode: (value: EndpointSettings) => wireEndpoint.encode({ ...value, ipam: value }),
  isEmpty: () => false,
};

function flatten(value: WireEndpoint): EndpointSettings {
  const { ipam, ...rest } = value;
  return { ...ipam, ...rest };
}
