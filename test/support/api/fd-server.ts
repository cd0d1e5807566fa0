import { createApi } from '../../../src/api/api.ts';
import { fakeDependencies } from './fake-engine.ts';

// A program for server.test.ts: listens on the descriptor it was given, as under systemd.
const api = createApi(fakeDependencies());
await api.listenFd(3);
console.log('ready');
process.once('SIGTERM', () => void api.close(1000).then(() => process.exit(0)));
