/** A virtual machine under software emulation: no KVM, no network, two disks, its output on two serial lines. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { must } from '../../test/support/command.ts';
import { SYSTEM_LABEL, type SystemImage } from './system-image.ts';

/** Mebibytes. */
const MEMORY = 2048;

export interface Machine {
  /** Lines of the second serial line, as the tests in the machine write them; ends when the machine is off. */
  readonly lines: AsyncIterable<string>;
  /** What kernel and systemd wrote up to now. */
  console(): string;
  /** Ends it at once, if it has not ended, and waits. */
  end(): Promise<void>;
}

/**
 * Starts a machine in `work`, where its changes to the image go. The emulator ends with this process, too, when it is
 * killed.
 */
export async function startMachine(image: SystemImage, payload: string, work: string): Promise<Machine> {
  const changes = join(work, 'changes.qcow2');
  await must(['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', image.disk, changes]);
  const consoleFile = join(work, 'console.log');
  const processors = process.env.TARE_VM_CPUS ?? String(Math.min(2, availableParallelism()));
  const child = Bun.spawn(
    [
      ...['setpriv', '--pdeathsig', 'KILL', 'qemu-system-x86_64', '-machine', 'pc,accel=tcg', '-cpu', 'max'],
      ...['-smp', processors, '-m', String(MEMORY), '-nodefaults', '-no-user-config', '-display', 'none'],
      ...['-nic', 'none', '-kernel', image.kernel, '-initrd', image.initrd, '-append', KERNEL_LINE],
      ...['-drive', `file=${changes},if=virtio,format=qcow2,cache=unsafe`],
      ...['-drive', `file=${payload},if=virtio,format=raw,cache=unsafe`],
      ...['-serial', `file:${consoleFile}`, '-serial', 'stdio'],
    ],
    { cwd: work, stdin: 'pipe', stdout: 'pipe', stderr: Bun.file(join(work, 'qemu.log')) },
  );
  return {
    lines: linesOf(child.stdout),
    console: () => readOrEmpty(consoleFile) + readOrEmpty(join(work, 'qemu.log')),
    end: async () => {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}

/**
 * A panic restarts nothing: it stays on the console, where it is seen. On a busy machine the emulated one is so slow that
 * systemd would give up waiting for its disks; how long it may take is for the host to say.
 */
const KERNEL_LINE = [
  ...[`root=LABEL=${SYSTEM_LABEL}`, 'rw', 'rootflags=prjquota', 'console=ttyS0', 'panic=0', 'fsck.mode=skip'],
  ...['mitigations=off', 'systemd.unified_cgroup_hierarchy=1', 'systemd.show_status=0'],
  ...['systemd.default_timeout_start_sec=900', 'systemd.default_device_timeout_sec=900'],
].join(' ');

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    // A terminal's line ends with CR LF.
    for (const line of lines) yield line.replace(/\r$/, '');
  }
  if (rest !== '') yield rest;
}
