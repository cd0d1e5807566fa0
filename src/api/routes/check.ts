import { messageOf } from '../../base/errors.ts';
import type { Finding, StoreCheckService } from '../../engine/system/store-check.ts';
import type { CheckFinding, CheckMessage } from '../../wire/check.ts';
import type { Exchange } from '../exchange.ts';
import { BatchedAnswer } from '../line-stream.ts';
import { flag } from '../query.ts';
import type { Route } from '../router.ts';

/** Milliseconds between two lines of progress. */
const PACE = 200;

/** `POST /tare/check?repair=1`: Tare's own; JSON objects, one a line. */
export function checkRoutes({ check }: { readonly check: StoreCheckService }): Route[] {
  return [{ method: 'POST', pattern: '/tare/check', handle: (x) => run(check, x) }];
}

async function run(check: StoreCheckService, x: Exchange): Promise<void> {
  const repair = flag(x, 'repair');
  x.begin(200, { 'Content-Type': 'application/json' });
  const answer = new BatchedAnswer(x);
  const send = (message: CheckMessage): Promise<void> | undefined =>
    answer.add(`${JSON.stringify(message)}\n`);
  let told = 0;
  let phase = '';
  const findings = check.run(repair, (progress) => {
    const now = performance.now();
    if (answer.stalled || (progress.phase === phase && now - told < PACE)) return;
    told = now;
    phase = progress.phase;
    void send({ progress });
  });
  let count = 0;
  let repaired = 0;
  try {
    for await (const finding of findings) {
      if (x.signal.aborted) return;
      count += 1;
      if (finding.repaired !== undefined) repaired += 1;
      await send({ finding: toWire(finding) });
    }
    void send({ done: { findings: count, repaired } });
  } catch (error) {
    void send({ error: messageOf(error) });
  }
  await answer.end();
}

function toWire({ kind, id, problem, affects, advice, repairable, repaired }: Finding): CheckFinding {
  return {
    Kind: kind,
    ID: id,
    Problem: problem,
    Affects: [...affects],
    Advice: advice,
    Repairable: repairable,
    ...(repaired !== undefined && { Repaired: repaired }),
  };
}
