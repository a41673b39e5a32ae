export interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: any;
  readonly result?: any;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: any };
}

/** A request as it goes over the wire. */
export function request(id: string | number, method: string, params: Readonly<Record<string, unknown>> = {}): object {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/events': {} } },
    ...(params['_meta'] as object | undefined),
  };
  return { jsonrpc: '2.0', id, method, params: { ...params, _meta } };
}

/** What a tool answered. */
export interface ToolAnswer {
  readonly text: string;
  readonly isError: boolean;
}

export function toolAnswer({ result, error }: Message): ToolAnswer {
  if (error !== undefined) throw new Error(error.message);
  return { text: result.content[0].text, isError: result.isError === true };
}
