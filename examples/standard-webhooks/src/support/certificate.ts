import { generate } from 'selfsigned';

/** A throwaway certificate, as PEM text. It is its own authority. */
export interface Certificate {
  readonly key: string;
  readonly certificate: string;
}

/** A certificate for some host names, trusted by nobody who is not told to. */
export async function createCertificate(...hostNames: readonly string[]): Promise<Certificate> {
  const pems = await generate([{ name: 'commonName', value: hostNames[0] }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: hostNames.map((value) => ({ type: 2, value })) },
    ],
  });
  return { key: pems.private, certificate: pems.cert };
}
