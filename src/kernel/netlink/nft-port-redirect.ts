import { ipBytes } from './addresses.ts';
import { NetlinkFlag, type NetlinkWriter } from './message.ts';
import {
  BATCH_BEGIN,
  BATCH_END,
  edge,
  header,
  listBaseChains,
  NftFamily,
  NftMessage,
  SUBSYSTEM,
} from './nftables.ts';
import type { NetlinkRequest, NetlinkSocket } from './socket.ts';

/** Ports behind one address of the namespace: who sends to `from` reaches `to`, and gets answers from `from`. */
export interface PortRedirect {
  /** IPv4. */
  readonly address: string;
  readonly from: number;
  readonly to: { readonly udp: number; readonly tcp: number };
}

/** Attributes, include/uapi/linux/netfilter/nf_tables.h. */
const TABLE_NAME = 1;
const CHAIN = { TABLE: 1, NAME: 3, HOOK: 4, TYPE: 7 } as const;
const HOOK = { NUMBER: 1, PRIORITY: 2 } as const;
const RULE = { TABLE: 1, CHAIN: 2, EXPRESSIONS: 4 } as const;
const LIST_ELEMENT = 1;
const EXPRESSION = { NAME: 1, DATA: 2 } as const;
const PAYLOAD = {
  TO_REGISTER: 1,
  BASE: 2,
  OFFSET: 3,
  LENGTH: 4,
  FROM_REGISTER: 5,
  CSUM: 6,
  CSUM_AT: 7,
} as const;
const COMPARE = { REGISTER: 1, OPERATION: 2, DATA: 3 } as const;
const META = { REGISTER: 1, KEY: 2 } as const;
const IMMEDIATE = { REGISTER: 1, DATA: 2 } as const;
const DATA_VALUE = 1;

const REGISTER = 1;
const EQUAL = 0;
const META_L4PROTO = 16;
const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;
const CSUM_INET = 1;
const HOOK_OUTPUT = 3;
/** Mangle's place: -150. As the attribute has it, unsigned. */
const PRIORITY = 0x1_0000_0000 - 150;

/** Protocol number, and where its header has the checksum. */
const PROTOCOLS = { udp: { number: 17, checksumAt: 6 }, tcp: { number: 6, checksumAt: 16 } } as const;
const SOURCE_PORT = 0;
const DESTINATION_PORT = 2;
const SOURCE_ADDRESS = 12;
const DESTINATION_ADDRESS = 16;

/** The chain's name says where it leads to; its rules come and go with it. */
const nameOf = ({ udp, tcp }: PortRedirect['to']): string => `output-udp-${udp}-tcp-${tcp}`;

/** Where the redirect that is installed as table `ip NAME` in the socket's namespace leads to; undefined: there is none. */
export function redirectedPorts(socket: NetlinkSocket, table: string): PortRedirect['to'] | undefined {
  const chain = listBaseChains(socket).find(
    (one) => one.family === NftFamily.IPV4 && one.table === table && one.hook === HOOK_OUTPUT,
  );
  const [, udp, tcp] = /^output-udp-(\d+)-tcp-(\d+)$/.exec(chain?.name ?? '') ?? [];
  return udp && tcp ? { udp: Number(udp), tcp: Number(tcp) } : undefined;
}

/**
 * Installs the redirect as table `ip NAME` in the socket's namespace, in place of what the table had, in one
 * transaction (*measured*: 0.2 ms; 15 ms where it replaces another, since the kernel waits for its readers when the
 * socket is closed). It rewrites ports of packets that leave, in both directions, and keeps no state:
 * connection tracking would cost every other packet of the namespace as well. Throws a SyscallError.
 */
export function redirectPorts(socket: NetlinkSocket, table: string, redirect: PortRedirect): void {
  const { address, from, to } = redirect;
  const inTable = (type: number, flags: number, body: (writer: NetlinkWriter) => void): NetlinkRequest => ({
    what: `redirect of port ${from} in table ${table}`,
    type: SUBSYSTEM | type,
    flags,
    write(writer) {
      header(writer, NftFamily.IPV4);
      writer.string(TABLE_NAME, table);
      body(writer);
    },
  });
  const rules = (['udp', 'tcp'] as const).flatMap((protocol) => [
    { protocol, addressAt: DESTINATION_ADDRESS, portAt: DESTINATION_PORT, was: from, becomes: to[protocol] },
    { protocol, addressAt: SOURCE_ADDRESS, portAt: SOURCE_PORT, was: to[protocol], becomes: from },
  ]);
  socket.execute([
    edge(BATCH_BEGIN),
    inTable(NftMessage.NEWTABLE, NetlinkFlag.CREATE, () => {}),
    inTable(NftMessage.DELTABLE, 0, () => {}),
    inTable(NftMessage.NEWTABLE, NetlinkFlag.CREATE, () => {}),
    inTable(NftMessage.NEWCHAIN, NetlinkFlag.CREATE, (writer) => {
      writer.string(CHAIN.NAME, nameOf(to));
      writer.nested(CHAIN.HOOK, () => {
        writer.number32be(HOOK.NUMBER, HOOK_OUTPUT);
        writer.number32be(HOOK.PRIORITY, PRIORITY);
      });
      writer.string(CHAIN.TYPE, 'filter');
    }),
    ...rules.map(({ protocol, addressAt, portAt, was, becomes }) =>
      inTable(NftMessage.NEWRULE, NetlinkFlag.CREATE | NetlinkFlag.APPEND, (writer) => {
        writer.string(RULE.CHAIN, nameOf(to));
        writer.nested(RULE.EXPRESSIONS, () => {
          loadProtocol(writer);
          compare(writer, Uint8Array.of(PROTOCOLS[protocol].number));
          loadPayload(writer, NETWORK_HEADER, addressAt, 4);
          compare(writer, ipBytes(address));
          loadPayload(writer, TRANSPORT_HEADER, portAt, 2);
          compare(writer, portBytes(was));
          immediate(writer, portBytes(becomes));
          storePort(writer, portAt, PROTOCOLS[protocol].checksumAt);
        });
      }),
    ),
    edge(BATCH_END),
  ]);
}

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}

function expression(writer: NetlinkWriter, name: string, data: () => void): void {
  writer.nested(LIST_ELEMENT, () => {
    writer.string(EXPRESSION.NAME, name);
    writer.nested(EXPRESSION.DATA, data);
  });
}

function loadProtocol(writer: NetlinkWriter): void {
  expression(writer, 'meta', () => {
    writer.number32be(META.KEY, META_L4PROTO);
    writer.number32be(META.REGISTER, REGISTER);
  });
}

function loadPayload(writer: NetlinkWriter, base: number, offset: number, length: number): void {
  expression(writer, 'payload', () => {
    writer.number32be(PAYLOAD.TO_REGISTER, REGISTER);
    writer.number32be(PAYLOAD.BASE, base);
    writer.number32be(PAYLOAD.OFFSET, offset);
    writer.number32be(PAYLOAD.LENGTH, length);
  });
}

function compare(writer: NetlinkWriter, value: Uint8Array): void {
  expression(writer, 'cmp', () => {
    writer.number32be(COMPARE.REGISTER, REGISTER);
    writer.number32be(COMPARE.OPERATION, EQUAL);
    writer.nested(COMPARE.DATA, () => writer.attribute(DATA_VALUE, value));
  });
}

function immediate(writer: NetlinkWriter, value: Uint8Array): void {
  expression(writer, 'immediate', () => {
    writer.number32be(IMMEDIATE.REGISTER, REGISTER);
    writer.nested(IMMEDIATE.DATA, () => writer.attribute(DATA_VALUE, value));
  });
}

function storePort(writer: NetlinkWriter, offset: number, checksumAt: number): void {
  expression(writer, 'payload', () => {
    writer.number32be(PAYLOAD.FROM_REGISTER, REGISTER);
    writer.number32be(PAYLOAD.BASE, TRANSPORT_HEADER);
    writer.number32be(PAYLOAD.OFFSET, offset);
    writer.number32be(PAYLOAD.LENGTH, 2);
    writer.number32be(PAYLOAD.CSUM, CSUM_INET);
    writer.number32be(PAYLOAD.CSUM_AT, checksumAt);
  });
}
