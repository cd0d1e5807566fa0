/** The program's entry: the daemon by `tare daemon`, else the client, which runs the registry server too. */
const argv = process.argv.slice(2);

async function main(): Promise<number> {
  if (argv[0] === 'daemon') {
    const { runDaemon } = await import('./daemon/main.ts');
    return await runDaemon(argv.slice(1));
  }
  const { runCli } = await import('./cli/cli.ts');
  return await runCli(argv, { registryServer: () => import('./daemon/registry-main.ts') });
}

process.exit(await main());

export {};
