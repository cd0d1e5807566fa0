/**
 * Asks 127.0.0.11 for one name as fast as it is answered and prints `{"answers":N,"seconds":S,"p50":MS,"p99":MS}`:
 * `nsenter --net=/proc/PID/ns/net bun bench/dns-load.ts NAME SECONDS`. A wrong answer ends it with an error.
 */
import { decode, encode } from 'dns-packet';

const [name = '', duration = '2'] = process.argv.slice(2);
/** Sockets, as many programs have one each, and questions that each has under way. */
const SOCKETS = 4;
const AT_ONCE = 4;
/** A datagram may get lost: it is asked again. Milliseconds. */
const PATIENCE = 1000;

const query = encode({ type: 'query', id: 0, flags: 0x0100, questions: [{ type: 'A', name }] });
const latencies: number[] = [];
const until = performance.now() + Number(duration) * 1000;
let lost = 0;

async function drive(): Promise<void> {
  const sent = new Map<number, number>();
  const { promise, resolve } = Promise.withResolvers<void>();
  let next = 0;
  const socket = await Bun.udpSocket({
    connect: { hostname: '127.0.0.11', port: 53 },
    socket: {
      data(_, packet) {
        const id = (packet[0]! << 8) | packet[1]!;
        const begin = sent.get(id);
        if (begin === undefined) return;
        sent.delete(id);
        // Rcode 0 and one answer.
        if ((packet[3]! & 15) !== 0 || packet[7] !== 1) fail(Buffer.from(packet));
        const now = performance.now();
        latencies.push(now - begin);
        if (now < until) ask();
        else if (sent.size === 0) resolve();
      },
    },
  });
  const ask = (): void => {
    const id = next++ & 0xffff;
    query.writeUInt16BE(id, 0);
    sent.set(id, performance.now());
    socket.send(query);
  };
  const timer = setInterval(() => {
    const now = performance.now();
    for (const [id, begin] of [...sent]) {
      if (now - begin < PATIENCE) continue;
      sent.delete(id);
      lost++;
      if (now < until) ask();
    }
    if (now >= until && sent.size === 0) resolve();
  }, PATIENCE / 4);
  for (let i = 0; i < AT_ONCE; i++) ask();
  await promise;
  clearInterval(timer);
  socket.close();
}

function fail(packet: Buffer): never {
  console.error(`no address for ${name}: ${JSON.stringify(decode(packet))}`);
  process.exit(1);
}

await Promise.all(Array.from({ length: SOCKETS }, drive));
const sorted = latencies.toSorted((a, b) => a - b);
const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? 0;
console.log(
  JSON.stringify({ answers: sorted.length, seconds: Number(duration), p50: at(0.5), p99: at(0.99), lost }),
);
