import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';

/** Files of a certificate for this machine. */
export interface CertificateFiles {
  readonly certificatePath: string;
  readonly keyPath: string;
}

/** Subject alternative name: an IP address. */
const IP_ADDRESS = 7;

/** Makes a throwaway certificate for 127.0.0.1, which nobody trusts who was not told to. */
export async function createCertificate(folder: string): Promise<CertificateFiles> {
  const pems = await generate([{ name: 'commonName', value: 'git-watcher-subscriber' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: IP_ADDRESS, ip: '127.0.0.1' }] },
    ],
  });
  const files = { certificatePath: join(folder, 'receiver.pem'), keyPath: join(folder, 'receiver.key') };
  await writeFile(files.certificatePath, pems.cert);
  await writeFile(files.keyPath, pems.private, { mode: 0o600 });
  return files;
}
