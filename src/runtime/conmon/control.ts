import { join } from 'node:path';
import { writeFifo } from '../../kernel/pipe.ts';

/** conmon's limit on both sides of a window. */
const MAX_CELLS = 1000;

function command(directory: string, line: string): void {
  writeFifo(join(directory, 'ctl'), Buffer.from(`${line}\n`));
}

/** Sets the pty's size. Throws a SyscallError (ENOENT, ENXIO) when the monitor has gone. */
export function resizeTerminal(directory: string, height: number, width: number): void {
  command(directory, `1 ${Math.min(height, MAX_CELLS)} ${Math.min(width, MAX_CELLS)}`);
}

/** Makes the monitor open its log file again by name. Throws a SyscallError when the monitor has gone. */
export function reopenLogFile(directory: string): void {
  command(directory, '2 0 0');
}
