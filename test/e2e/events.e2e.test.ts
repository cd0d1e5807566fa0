/**
 * The event stream, step by step, against what dockerd sends for the same script (run it with
 * TARE_TEST_ENGINE=dockerd to see that the expectations are Docker's), its filters, and what it replays.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

interface Event {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: string;
  status?: string;
  time: number;
  timeNano: number;
}

/** Ours alone, or of newer versions of dockerd alone. */
const EXTRA = ['reason', 'client', 'signal', 'execDuration', 'execID'];
const HANDLER = 'trap "exit 0" TERM; while :; do sleep 0.1; done';

const docker = (...args: string[]) => daemon.client('docker', args);

/** The event in a line, without what differs from run to run. */
function line({ Type, Action, Actor, status }: Event): string {
  const attributes = Object.entries(Actor.Attributes ?? {})
    .filter(
      ([name, value]) => (name === 'signal' ? Action === 'kill' : !EXTRA.includes(name)) && value !== '',
    )
    .map(([name, value]) => `${name}=${value}`)
    .sort();
  const text = [Type, Action.trim(), Actor.ID, ...attributes].join(' ').replace(/\b[0-9a-f]{64}\b/g, 'ID');
  expect(status === undefined).toBe(!['container', 'image'].includes(Type));
  return text;
}

const C1 = 'container ID image=busybox l=1 name=c1'.split(' ');
const c1 = (action: string, ...more: string[]) =>
  ['container', action, 'ID', ...[...C1.slice(2), ...more].sort()].join(' ');
const c2 = (action: string, ...more: string[]) => c1(action, ...more).replace('name=c1', 'name=c2');
const UP = [
  'network connect ID container=ID name=net1 type=bridge',
  'volume mount vol1 container=ID destination=/v driver=local read/write=true',
];
const DOWN = [
  'network disconnect ID container=ID name=net1 type=bridge',
  'volume unmount vol1 container=ID driver=local',
];
const BRIDGE = 'network connect ID container=ID name=bridge type=bridge';

/** Commands of the docker CLI, and the events they cause, in this order. */
const STEPS: ReadonlyArray<readonly [string[][], string[]]> = [
  [[['network', 'create', '--label', 'a=b', 'net1']], ['network create ID name=net1 type=bridge']],
  [
    [
      [
        ...['create', '--name', 'c1', '--label', 'l=1', '-v', 'vol1:/v', '--network', 'net1', 'busybox'],
        ...['sh', '-c', HANDLER],
      ],
    ],
    ['volume create vol1 driver=local', c1('create')],
  ],
  [[['start', 'c1']], [...UP, c1('start')]],
  [
    [['exec', 'c1', 'echo', 'hi']],
    [c1('exec_create: echo hi'), c1('exec_start: echo hi'), c1('exec_die', 'exitCode=0')],
  ],
  [[['exec', 'c1', 'nope']], [c1('exec_create: nope'), c1('exec_start: nope')]],
  [[['top', 'c1']], [c1('top')]],
  [
    [
      ['pause', 'c1'],
      ['unpause', 'c1'],
    ],
    [c1('pause'), c1('unpause')],
  ],
  [[['rename', 'c1', 'c2']], [c2('rename', 'oldName=/c1')]],
  [[['update', '--restart', 'no', 'c2']], [c2('update')]],
  [[['kill', '-s', 'WINCH', 'c2']], [c2('kill', 'signal=28')]],
  [
    [['restart', 'c2']],
    [
      c2('kill', 'signal=15'),
      c2('die', 'exitCode=0'),
      ...DOWN,
      c2('stop'),
      ...UP,
      c2('start'),
      c2('restart'),
    ],
  ],
  [[['stop', 'c2']], [c2('kill', 'signal=15'), c2('die', 'exitCode=0'), ...DOWN, c2('stop')]],
  [[['export', '-o', 'EXPORTED', 'c2']], [c2('export')]],
  [
    [['commit', 'c2', 'made:1']],
    ['image tag sha256:ID l=1 name=made:1', c2('commit', 'imageID=sha256:ID', 'imageRef=made:1')],
  ],
  [[['rm', 'c2']], [c2('destroy')]],
  [
    [
      ['run', '-d', '--name', 'c3', 'busybox', 'sleep', '800'],
      ['rm', '-f', 'c3'],
    ],
    [
      'container create ID image=busybox name=c3',
      BRIDGE,
      'container start ID image=busybox name=c3',
      'container kill ID image=busybox name=c3 signal=9',
      'container die ID exitCode=137 image=busybox name=c3',
      BRIDGE.replace('connect', 'disconnect'),
      'container destroy ID image=busybox name=c3',
    ],
  ],
  [
    [
      ['run', '--name', 'c4', 'busybox', 'nope'],
      ['container', 'prune', '-f'],
    ],
    [
      ...['create', 'attach'].map((action) => `container ${action} ID image=busybox name=c4`),
      BRIDGE,
      BRIDGE.replace('connect', 'disconnect'),
      'container destroy ID image=busybox name=c4',
      'container prune  reclaimed=0',
    ],
  ],
  [[['tag', 'made:1', 'made:2']], ['image tag sha256:ID l=1 name=made:2']],
  [[['volume', 'rm', 'vol1']], ['volume destroy vol1 driver=local']],
  [[['network', 'rm', 'net1']], ['network destroy ID name=net1 type=bridge']],
  [
    [
      ['network', 'create', 'n2'],
      ['network', 'prune', '-f'],
    ],
    [
      'network create ID name=n2 type=bridge',
      'network destroy ID name=n2 type=bridge',
      'network prune  reclaimed=0',
    ],
  ],
];

test('each command causes the events that dockerd sends', async () => {
  const stream = daemon.open('docker', ['events', '--format', '{{json .}}']);
  const mark = async (name: string) => {
    await docker('volume', 'create', `mark-${name}`);
    await stream.waitFor(`"ID":"mark-${name}"`);
  };
  await Bun.sleep(700);
  await mark('begin');
  for (const [index, [commands, expected]] of STEPS.entries()) {
    const from = stream.output().length;
    for (const command of commands) {
      await docker(...command.map((word) => word.replace('EXPORTED', join(daemon.root, 'c2.tar'))));
    }
    await mark(String(index));
    const events = stream
      .output()
      .slice(from)
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as Event)
      .filter(({ Actor }) => !Actor.ID.startsWith('mark-'));
    expect({ commands, events: events.map(line) }).toEqual({ commands, events: expected });
    for (const event of events) expect(event.scope).toBe('local');
  }
  process.kill(Number(await Bun.file(join(daemon.root, 'pid')).text()), 'SIGHUP');
  await stream.waitFor(/"Action":"reload"[^\n]*"debug":"[^\n]*"name":"/);
  stream.signal('SIGKILL');
}, 240_000);

test('filters, and what has passed', async () => {
  const past = async (...args: string[]): Promise<Event[]> => {
    // The CLI cuts `0s` to whole seconds.
    const until = ((Date.now() + 5) / 1000).toFixed(3);
    const text = await daemon.ok('docker', ['events', '--format', '{{json .}}', '--until', until, ...args]);
    return text === '' ? [] : text.split('\n').map((one) => JSON.parse(one) as Event);
  };
  await daemon.ok('docker', ['run', '--name', 'one', '--label', 'k=v', 'busybox', 'true']);
  await daemon.ok('docker', ['run', '--name', 'two', '-v', 'vol2:/v', 'busybox', 'true']);
  const id = await daemon.ok('docker', ['inspect', '-f', '{{.Id}}', 'one']);
  const actions = (events: Event[]) => events.map(({ Action }) => Action);
  const life = ['create', 'attach', 'start', 'die'];
  const since = ['--since', '10m'];
  expect(actions(await past(...since, '--filter', 'container=one'))).toEqual(life);
  expect(actions(await past(...since, '--filter', `container=${id.slice(0, 12)}`))).toEqual(life);
  expect(actions(await past(...since, '--filter', 'label=k=v'))).toEqual(life);
  const both = [...since, '--filter', 'container=one', '--filter', 'container=two'];
  expect(actions(await past(...both, '--filter', 'event=start', '--filter', 'event=die'))).toEqual([
    ...['start', 'die', 'start', 'die'],
  ]);
  const ofVolume = await past(...since, '--filter', 'volume=vol2');
  expect(ofVolume.map(({ Action }) => Action).slice(0, 2)).toEqual(['create', 'mount']);
  expect(
    (await past(...since, '--filter', 'type=network', '--filter', 'network=bridge')).length,
  ).toBeGreaterThan(3);
  expect(await past(...since, '--filter', 'scope=swarm')).toEqual([]);
  const ofImage = await past(...since, '--filter', 'image=busybox', '--filter', 'type=container');
  expect(ofImage.length).toBeGreaterThanOrEqual(8);
  expect(new Set(ofImage.map(({ Actor }) => Actor.Attributes.image))).toEqual(new Set(['busybox']));
  expect(await past(...since, '--filter', 'image=nothing')).toEqual([]);
  const all = await past(...since, '--filter', 'container=one');
  // What has passed cannot begin in the future.
  while (Date.now() / 1000 <= all[3]!.time + 1) await Bun.sleep(50);
  const later = await past('--since', String(all[3]!.time + 1), '--filter', 'container=one');
  expect(actions(later)).not.toContain('create');
  const earlier = await daemon.ok('docker', [
    ...['events', '--format', '{{.Action}}', '--filter', 'container=one'],
    ...['--since', String(all[0]!.time - 1), '--until', String(all[0]!.time - 1)],
  ]);
  expect(earlier).toBe('');
  await daemon.ok('docker', ['rm', 'one', 'two']);
}, 120_000);
