import { describe, expect, test } from 'bun:test';
import { Errno } from '../errno.ts';
import { addAddress, ipBytes, ipText } from './addresses.ts';
import { newVeth, setLink } from './links.ts';
import { NetlinkWriter, readAttributeList, readAttributes, readMessages, readString } from './message.ts';
import { concatenation, parseNotification } from './nftables.ts';
import { addDefaultRoute } from './routes.ts';
import { errorOf, type NetlinkRequest } from './socket.ts';

function encode(...requests: NetlinkRequest[]): Buffer {
  const writer = new NetlinkWriter();
  for (const [index, request] of requests.entries()) {
    writer.message(request.type, request.flags, index + 1, () => request.write(writer));
  }
  return writer.bytes;
}

const payloadOf = (request: NetlinkRequest): Buffer => {
  const [message] = readMessages(encode(request));
  if (!message) throw new Error('no message');
  return message.payload;
};

describe('messages', () => {
  test('an address is what iproute2 sends', () => {
    expect(encode(addAddress(3, '172.17.0.2/16')).toString('hex')).toBe(
      [
        '30000000', // length 48
        '1400', // RTM_NEWADDR
        '0006', // CREATE, EXCL
        '01000000', // sequence
        '00000000', // port
        '02100000', // AF_INET, /16
        '03000000', // link 3
        '08000200ac110002', // IFA_LOCAL
        '08000100ac110002', // IFA_ADDRESS
        '08000400ac11ffff', // IFA_BROADCAST
      ].join(''),
    );
  });

  test('several follow one another, each aligned', () => {
    const messages = [...readMessages(encode(setLink('a', { up: true }), setLink('abcd', { mtu: 9000 })))];
    expect(messages.map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(messages.map(({ payload }) => readString(readAttributes(payload, 16).get(3)))).toEqual([
      'a',
      'abcd',
    ]);
  });

  test('nested attributes', () => {
    const payload = payloadOf(
      newVeth({ name: 'veth0', mtu: 1400, master: 7, peer: { name: 'eth0', namespace: 5 } }),
    );
    const link = readAttributes(payload, 16);
    expect(link.get(10)?.readUInt32LE(0)).toBe(7);
    const info = readAttributes(link.get(18) ?? Buffer.alloc(0));
    expect(readString(info.get(1))).toBe('veth');
    const [[type, peer] = [0, Buffer.alloc(0)]] = readAttributeList(info.get(2) ?? Buffer.alloc(0));
    expect(type).toBe(1);
    const inner = readAttributes(peer, 16);
    expect(readString(inner.get(3))).toBe('eth0');
    expect(inner.get(28)?.readUInt32LE(0)).toBe(5);
  });

  test('a long one makes the buffer grow', () => {
    const writer = new NetlinkWriter();
    writer.message(1, 0, 1, () => writer.string(3, 'x'.repeat(5000)));
    const [message] = readMessages(writer.bytes);
    expect(readString(readAttributes(message?.payload ?? Buffer.alloc(0)).get(3))).toBe('x'.repeat(5000));
  });

  test('torn ones and nonsense are not read past their end', () => {
    const whole = encode(addDefaultRoute('172.17.0.1', 2));
    for (let length = 0; length < whole.length; length++) {
      expect([...readMessages(whole.subarray(0, length))]).toEqual([]);
    }
    expect([...readMessages(Buffer.alloc(64))]).toEqual([]);
    expect(readAttributeList(Buffer.from('ffff0100', 'hex'))).toEqual([]);
    expect(readAttributeList(Buffer.from('00000100', 'hex'))).toEqual([]);
  });

  test('an error carries the errno, an acknowledgement none', () => {
    const message = (code: number) => {
      const payload = Buffer.alloc(20);
      payload.writeInt32LE(code);
      return { type: 2, flags: 0, sequence: 1, port: 0, payload };
    };
    expect(errorOf(message(0), 'x')).toBeUndefined();
    expect(errorOf(message(-Errno.EEXIST), 'add veth0')).toMatchObject({
      code: 'EEXIST',
      kind: 'conflict',
      message: 'netlink add veth0: EEXIST',
    });
  });
});

describe('addresses', () => {
  test('to bytes and back', () => {
    expect(ipBytes('172.17.0.2').toString('hex')).toBe('ac110002');
    expect(ipBytes('fd00::1').toString('hex')).toBe('fd000000000000000000000000000001');
    expect(ipBytes('::ffff:1.2.3.4').toString('hex')).toBe('00000000000000000000ffff01020304');
    expect(ipText(ipBytes('1::'))).toBe('1::');
    expect(ipText(ipBytes('2001:db8:0:0:1:0:0:1'))).toBe('2001:db8::1:0:0:1');
  });

  test('bad ones are refused', () => {
    for (const bad of ['', '1.2.3', '1.2.3.256', 'g::1', '1.2.3.4/24'])
      expect(() => ipBytes(bad)).toThrow('EINVAL');
    expect(() => addAddress(1, '10.0.0.1/33')).toThrow('EINVAL');
    expect(() => addAddress(1, '10.0.0.1')).toThrow('EINVAL');
  });
});

test('fields of a concatenation are padded to registers', () => {
  const key = concatenation(Uint8Array.of(6), Uint8Array.of(0x1f, 0x90), ipBytes('10.0.0.1'));
  expect(key.toString('hex')).toBe('06000000' + '1f900000' + '0a000001');
});

test('notifications name table and chain', () => {
  const writer = new NetlinkWriter();
  writer.message((10 << 8) | 8, 0, 1, () => {
    writer.u32(2);
    writer.string(1, 'filter');
    writer.string(2, 'FORWARD');
  });
  const [message] = readMessages(writer.bytes);
  expect(message && parseNotification(message)).toEqual({
    message: 8,
    family: 2,
    table: 'filter',
    chain: 'FORWARD',
    port: 0,
  });
});
