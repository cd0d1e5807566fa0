import { NetlinkFlag, type NetlinkWriter } from './message.ts';
import { BATCH_BEGIN, BATCH_END, edge, header, NftFamily, NftMessage, SUBSYSTEM } from './nftables.ts';
import { NetlinkProtocol, type NetlinkRequest, NetlinkSocket } from './socket.ts';

/** Attributes, include/uapi/linux/netfilter/nf_tables.h. */
const TABLE = { NAME: 1, FLAGS: 2 } as const;
const CHAIN = { NAME: 3, HOOK: 4, TYPE: 7 } as const;
const HOOK = { NUMBER: 1, PRIORITY: 2 } as const;
const RULE = { CHAIN: 2, EXPRESSIONS: 4 } as const;
const LIST_ELEMENT = 1;
const EXPRESSION = { NAME: 1, DATA: 2 } as const;
const CT = { REGISTER: 1, KEY: 2 } as const;
const REGISTER = 1;
const CT_STATE = 0;
/** Nobody else can change the table; it goes with the socket. Kernel 5.12. */
const FLAG_OWNER = 2;

const HOOKS = [
  { name: 'prerouting', number: 0, priority: -100 },
  { name: 'input', number: 1, priority: 100 },
  { name: 'output', number: 3, priority: -100 },
  { name: 'postrouting', number: 4, priority: 100 },
] as const;

/**
 * Keeps the kernel translating the addresses of connections that it knows, whoever flushes the rules: it does so only
 * while some chain of type nat exists and some rule asks for the connection tracking, and without that the packets of
 * open connections to published ports would arrive at the host itself, which resets them (*measured*). So a table with
 * such chains and one rule that does nothing; it belongs to the socket, and a flush by others passes it over. Returns what gives it up. Throws a SyscallError (EOPNOTSUPP before kernel 5.12).
 */
export function holdTranslation(table: string): () => void {
  const socket = NetlinkSocket.open(NetlinkProtocol.NETFILTER);
  const inTable = (type: number, body: (writer: NetlinkWriter) => void): NetlinkRequest => ({
    what: `table ${table} that keeps connections translated`,
    type: SUBSYSTEM | type,
    flags: NetlinkFlag.CREATE,
    write(writer) {
      header(writer, NftFamily.INET);
      writer.string(TABLE.NAME, table);
      body(writer);
    },
  });
  try {
    socket.execute([
      edge(BATCH_BEGIN),
      inTable(NftMessage.NEWTABLE, (writer) => writer.number32be(TABLE.FLAGS, FLAG_OWNER)),
      ...HOOKS.map(({ name, number, priority }) =>
        inTable(NftMessage.NEWCHAIN, (writer) => {
          writer.string(CHAIN.NAME, name);
          writer.nested(CHAIN.HOOK, () => {
            writer.number32be(HOOK.NUMBER, number);
            writer.number32be(HOOK.PRIORITY, priority >>> 0);
          });
          writer.string(CHAIN.TYPE, 'nat');
        }),
      ),
      // Loads the connection's state and looks at it no further.
      inTable(NftMessage.NEWRULE, (writer) => {
        writer.string(RULE.CHAIN, HOOKS[0].name);
        writer.nested(RULE.EXPRESSIONS, () => {
          writer.nested(LIST_ELEMENT, () => {
            writer.string(EXPRESSION.NAME, 'ct');
            writer.nested(EXPRESSION.DATA, () => {
              writer.number32be(CT.KEY, CT_STATE);
              writer.number32be(CT.REGISTER, REGISTER);
            });
          });
        });
      }),
      edge(BATCH_END),
    ]);
  } catch (error) {
    socket.close();
    throw error;
  }
  return () => socket.close();
}
