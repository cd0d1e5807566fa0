import { blob, field, message, text, uint32 } from './message.ts';

/** What a client attaches to its session. */

export const FILE_SYNC = '/moby.filesync.v1.FileSync/DiffCopy';
export const FILE_SEND = '/moby.filesync.v1.FileSend/DiffCopy';
export const UPLOAD = '/moby.upload.v1.Upload/Pull';
export const BytesMessage = message({ data: field(1, blob) });

export const SECRET = '/moby.buildkit.secrets.v1.Secrets/GetSecret';
export const SecretRequest = message({ id: field(1, text) });
export const SecretResponse = message({ data: field(1, blob) });

export const SSH = '/moby.sshforward.v1.SSH/';
export const AgentRequest = message({ id: field(1, text) });
export const AgentResponse = message({});

export const CREDENTIALS = '/moby.filesync.v1.Auth/Credentials';
export const CredentialsRequest = message({ host: field(1, text) });
export const CredentialsResponse = message({ username: field(1, text), secret: field(2, text) });

export const HEALTH = '/grpc.health.v1.Health/Check';
export const HealthRequest = message({ service: field(1, text) });
/** 1: serving. */
export const HealthResponse = message({ status: field(1, uint32) });
