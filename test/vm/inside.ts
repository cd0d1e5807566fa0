/**
 * Runs in the virtual machine, as root, at each boot: the tests of list.txt from where the last boot left off. Says
 * what came out on the serial line (scripts/vm/report.ts), then turns the machine off.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { runTests } from '../../scripts/run-tests.ts';
import type { PayloadOptions } from '../../scripts/vm/payload.ts';
import { type Message, writeMessage } from '../../scripts/vm/report.ts';
import { must } from '../support/command.ts';
import { parseList } from './list.ts';

const ROOT = resolve(import.meta.dir, '../..');
/** Entries of the list that are done. On the disk: it outlives a boot. */
const PROGRESS = '/var/lib/tare-vm/progress';
/** Milliseconds for one test. */
const TIMEOUT = 120_000;

const tell = (message: Message) => console.log(writeMessage(message));
const options: PayloadOptions = JSON.parse(readFileSync(`${ROOT}/options.json`, 'utf8'));

mkdirSync('/var/lib/tare-vm', { recursive: true });
process.env.TARE_TEST_ENGINE = 'system';
process.env.TARE_BINARY = '/usr/local/bin/tare';
process.env.NO_COLOR = '1';
process.env.PATH = '/payload/tare/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
tell({
  kind: 'phase',
  name: `${readFileSync('/proc/version', 'utf8').split(' ').slice(0, 3).join(' ')}, up ${readFileSync('/proc/uptime', 'utf8').split(' ')[0]} s`,
});

const list = parseList(readFileSync(`${ROOT}/test/vm/list.txt`, 'utf8'), options.filter);
const begin = existsSync(PROGRESS) ? Number(readFileSync(PROGRESS, 'utf8')) : 0;
let rebooting = false;
for (let index = begin; index < list.length && !rebooting; index++) {
  const entry = list[index]!;
  writeFileSync(PROGRESS, String(index + 1));
  if (entry.kind === 'reboot') {
    rebooting = true;
    continue;
  }
  const started = Date.now();
  const pattern = options.pattern ?? entry.pattern;
  const run = await runTests(ROOT, [entry.file], { timeout: TIMEOUT, pattern });
  tell({ kind: 'run', entry: entry.file, seconds: (Date.now() - started) / 1000, run });
}
if (!rebooting) tell({ kind: 'done' });
await must(['systemctl', rebooting ? 'reboot' : 'poweroff']);
