/** `./check --vm`: boots the virtual machine, has it run the tests of test/vm/list.txt, and counts their results. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../images/cache.ts';
import type { TestRun } from '../run-tests.ts';
import { type Machine, startMachine } from './emulator.ts';
import { makePayload, type PayloadOptions } from './payload.ts';
import { releaseOf } from './release.ts';
import { readMessage } from './report.ts';
import { systemImage } from './system-image.ts';

/** Minutes from its start to its end: so wide that only a hang passes it. */
const PATIENCE = Number(process.env.TARE_VM_MINUTES ?? 25);
const CONSOLE_TAIL = 60;
/** Of a run's folder; its process id follows. */
const PREFIX = 'tare-vm-';

/** Results of the tests inside. A machine that hangs, panics or ends before its tests do is one failure more. */
export async function runMachine(number: string, options: PayloadOptions): Promise<TestRun> {
  const total: TestRun = { passed: 0, failed: 0, skipped: 0, skippedNames: [], failedNames: [] };
  const fault = (what: string): void => {
    total.failed += 1;
    total.failedNames.push(`virtual machine: ${what}`);
  };
  if (process.arch !== 'x64') {
    fault(`needs an x86-64 machine, this is ${process.arch}`);
    return total;
  }
  const release = releaseOf(number);
  const image = await systemImage(release);
  removeAbandoned();
  const work = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  let machine: Machine | undefined;
  try {
    const payload = join(work, 'payload.img');
    await makePayload(payload, mkdtempSync(join(work, 'payload-')), options);
    machine = await startMachine(image, payload, work);
    const why = await follow(machine, total);
    if (why !== undefined) fault(why);
    if (total.failed > 0) showConsole(machine.console(), why !== undefined);
  } finally {
    await machine?.end();
    rmSync(work, { recursive: true, force: true });
  }
  return total;
}

/** Folders of runs that were killed; they have some gigabytes. Their emulators have ended with them. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Keeps it beside the images; with `tail` it shows the end of it, too. */
function showConsole(text: string, tail: boolean): void {
  const file = join(cacheFolder(), 'vm-console.log');
  writeFileSync(file, text);
  if (tail)
    console.log(`--- the end of the console\n${text.split('\n').slice(-CONSOLE_TAIL).join('\n')}\n---`);
  console.log(`  the whole console: ${file}`);
}

/** Adds the results up as they come. Returns why the machine cannot be believed, undefined when all is well. */
async function follow(machine: Machine, total: TestRun): Promise<string | undefined> {
  let done = false;
  let trouble: string | undefined;
  const guard = watch(machine, (why) => {
    trouble = why;
  });
  try {
    for await (const line of machine.lines) {
      const message = readMessage(line);
      if (message?.kind === 'done') done = true;
      else if (message?.kind === 'run') {
        add(total, message.run);
        const { passed, failed } = message.run;
        console.log(
          `  ${message.seconds.toFixed(1).padStart(7)} s  ${message.entry}: ${passed} passed, ${failed} failed`,
        );
      } else if (message?.kind === 'phase') console.log(`  == ${message.name}`);
      else if (message?.kind === 'note') console.log(`  ${message.text}`);
      else if (line.trim() !== '') console.log(`  | ${line}`);
    }
  } finally {
    clearInterval(guard);
  }
  if (trouble !== undefined) return trouble;
  return done ? undefined : 'it went off before all its tests were run';
}

/** Looks each second whether it hangs or has panicked; ends it then. */
function watch(machine: Machine, report: (why: string) => void): Timer {
  const end = Date.now() + PATIENCE * 60_000;
  return setInterval(() => {
    const panic = /Kernel panic.*|You are in emergency mode/.exec(machine.console())?.[0];
    const late = Date.now() > end ? `not finished after ${PATIENCE} minutes` : undefined;
    const why = panic ?? late;
    if (why === undefined) return;
    report(why);
    void machine.end();
  }, 1000);
}

function add(total: TestRun, run: TestRun): void {
  total.passed += run.passed;
  total.failed += run.failed;
  total.skipped += run.skipped;
  total.failedNames.push(...run.failedNames.map((name) => `in the virtual machine: ${name}`));
  total.skippedNames.push(...run.skippedNames);
}
