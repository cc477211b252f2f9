// The official client for Node. It reads OPENAI_BASE_URL, but no proxy variable: that takes these three lines.
import OpenAI from "openai";
import { fetch, ProxyAgent } from "undici";

const proxy = process.env.HTTPS_PROXY;
const throughProxy = proxy ? { fetch, fetchOptions: { dispatcher: new ProxyAgent(proxy) } } : {};

const client = new OpenAI({ apiKey: "sk-test", maxRetries: 0, ...throughProxy });
const answer = await client.chat.completions.create({
  model: "m",
  messages: [{ role: "user", content: process.argv[2] }],
});
console.log(answer.choices[0].message.content);
