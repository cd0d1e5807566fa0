import { TareError } from '../../base/errors.ts';

/**
 * Runs ps(1) on the host and keeps the lines of a container's processes, as dockerd does. `psArgs` as for ps;
 * its output must have a PID column.
 */
export async function listProcesses(
  pids: readonly number[],
  psArgs: string,
): Promise<{ titles: string[]; processes: string[][] }> {
  const argv = psArgs.trim() === '' ? ['-ef'] : psArgs.trim().split(/\s+/);
  const child = Bun.spawn(['ps', ...argv], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new TareError('invalid', `ps: ${errors.trim() || `exit status ${code}`}`);
  return selectProcesses(output, new Set(pids.map(String)));
}

/** The pure part: the columns of `ps` output, and the rows whose PID is wanted. */
export function selectProcesses(
  output: string,
  pids: ReadonlySet<string>,
): { titles: string[]; processes: string[][] } {
  const [head = '', ...lines] = output.split('\n');
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf('PID');
  if (column < 0) throw new TareError('invalid', "Couldn't find PID field in ps output");
  const processes: string[][] = [];
  for (const line of lines) {
    const fields = line.trim().split(/\s+/);
    if (!pids.has(fields[column] ?? '')) continue;
    // The last column (CMD) may hold blanks.
    const rest = fields.slice(titles.length - 1).join(' ');
    processes.push([...fields.slice(0, titles.length - 1), rest]);
  }
  return { titles, processes };
}
