import { describe, expect, test } from 'bun:test';
import { decode, encode, type Packet } from 'dns-packet';
import { judge } from './answers.ts';
import type { NamedAddresses, NameSource } from './dns.ts';

const NAMES: Record<string, NamedAddresses> = {
  db: { ipv4: ['10.0.0.2'], ipv6: [] },
  web: { ipv4: ['10.0.0.3', '10.0.0.4', '10.0.0.5'], ipv6: ['fd00::3'] },
  crowd: { ipv4: Array.from({ length: 150 }, (_, index) => `10.0.1.${index}`), ipv6: [] },
};
const SOURCE: NameSource = {
  version: 0,
  addresses: (id, name) => (id === 'asker' ? NAMES[name] : undefined),
  nameOf: (_, address) =>
    ({ '10.0.0.2': 'db.net', 'fd00:0000:0000:0000:0000:0000:0000:0003': 'web.net' })[address],
};

const query = (name: string, type: 'A' | 'AAAA' | 'MX' | 'PTR', more: Packet = {}): Buffer =>
  encode({ type: 'query', id: 4711, flags: 0x0100, questions: [{ name, type }], ...more });

function answered(bytes: Uint8Array, udp = true) {
  const verdict = judge(bytes, 'asker', SOURCE, udp);
  if (verdict.kind !== 'answer') throw new Error(verdict.kind);
  return { ...decode(verdict.bytes), size: verdict.bytes.length };
}

describe('judge', () => {
  test('a name in any case gives its address, under the name as it was asked', () => {
    const { id, rcode, answers, flag_ra } = answered(query('Db', 'A')) as never as Record<string, unknown>;
    expect({ id, rcode, flag_ra }).toEqual({ id: 4711, rcode: 'NOERROR', flag_ra: true });
    expect(answers).toMatchObject([{ name: 'Db', type: 'A', data: '10.0.0.2' }]);
  });

  test('a name without an address of that family is there all the same', () => {
    expect(answered(query('db', 'AAAA'))).toMatchObject({ rcode: 'NOERROR', answers: [] });
    expect(answered(query('db', 'MX'))).toMatchObject({ rcode: 'NOERROR', answers: [] });
    expect(answered(query('web', 'AAAA')).answers).toMatchObject([{ data: 'fd00::3' }]);
  });

  test('a shared name gives all, each first at some time', () => {
    const first = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const { answers } = answered(query('web', 'A'));
      expect(answers).toHaveLength(3);
      first.add((answers as Array<{ data: string }>)[0]?.data ?? '');
    }
    expect(first.size).toBe(3);
  });

  test('pointers of both families', () => {
    expect(answered(query('2.0.0.10.in-addr.arpa', 'PTR')).answers).toMatchObject([{ data: 'db.net' }]);
    const v6 = '3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa';
    expect(answered(query(v6, 'PTR')).answers).toMatchObject([{ data: 'web.net' }]);
    expect(judge(query('9.0.0.10.in-addr.arpa', 'PTR'), 'asker', SOURCE, true).kind).toBe('forward');
  });

  test('what does not fit a datagram is truncated, and whole over TCP or with EDNS', () => {
    const small = answered(query('crowd', 'A'));
    expect(small.flag_tc).toBe(true);
    expect(small.size).toBeLessThanOrEqual(512);
    expect(small.answers?.length).toBeGreaterThan(5);
    expect(answered(query('crowd', 'A'), false)).toMatchObject({ flag_tc: false });
    expect(answered(query('crowd', 'A'), false).answers).toHaveLength(150);
    const edns = query('crowd', 'A', {
      additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] } as never],
    });
    expect(answered(edns).answers).toHaveLength(150);
  });

  test('other names, and names of others, go upstream with a refusal at hand', () => {
    const verdict = judge(query('example.org', 'A'), 'asker', SOURCE, true);
    if (verdict.kind !== 'forward') throw new Error(verdict.kind);
    expect(decode(verdict.refusal)).toMatchObject({ id: 4711, rcode: 'SERVFAIL' });
    expect(judge(query('db', 'A'), 'stranger', SOURCE, true).kind).toBe('forward');
  });

  test('responses and scraps get no answer, so that two servers never talk for ever', () => {
    expect(judge(encode({ type: 'response', id: 1, questions: [] }), 'asker', SOURCE, true).kind).toBe(
      'drop',
    );
    expect(judge(new Uint8Array(11), 'asker', SOURCE, true).kind).toBe('drop');
  });

  test('what cannot be read is told so', () => {
    const none = encode({ type: 'query', id: 9, questions: [] });
    expect(answered(none)).toMatchObject({ id: 9, rcode: 'FORMERR' });
    const update = Buffer.from(none);
    update.writeUInt16BE(5 << 11, 2);
    expect(answered(update)).toMatchObject({ id: 9, rcode: 'NOTIMP' });
    // A name that points at itself.
    const loop = Buffer.concat([
      none.subarray(0, 4),
      Buffer.from([0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1]),
    ]);
    expect(answered(loop)).toMatchObject({ id: 9, rcode: 'FORMERR' });
  });

  test('random bytes never throw', () => {
    for (let round = 0; round < 20_000; round++) {
      const bytes = crypto.getRandomValues(new Uint8Array(Math.floor(Math.random() * 80)));
      // Half of them look like queries with one question.
      if (round % 2 === 0 && bytes.length > HEADER) bytes.set([0, 0, 0, 1, 0, 0, 0, 0, 0, 0], 2);
      judge(bytes, 'asker', SOURCE, round % 3 === 0);
    }
  });
});

const HEADER = 12;
