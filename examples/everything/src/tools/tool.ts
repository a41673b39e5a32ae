import type { CallToolResult, McpServer } from '@modelcontextprotocol/server';
import type * as z from 'zod';

/** A tool, ready to be put on the server object of each request. */
export interface Tool {
  register(mcp: McpServer): void;
}

/** Makes a tool whose answer is text. What `run` throws becomes an error for the person who called it. */
export function tool<Input extends z.ZodObject>(
  name: string,
  description: string,
  inputSchema: Input,
  run: (input: z.infer<Input>) => string | Promise<string>,
): Tool {
  const call = async (input: z.infer<Input>): Promise<CallToolResult> => {
    try {
      return { content: [{ type: 'text', text: await run(input) }] };
    } catch (error) {
      return { content: [{ type: 'text', text: (error as Error).message }], isError: true };
    }
  };
  return {
    register: (mcp) => {
      mcp.registerTool<never, z.ZodObject>(name, { description, inputSchema }, (input) =>
        call(input as z.infer<Input>),
      );
    },
  };
}
