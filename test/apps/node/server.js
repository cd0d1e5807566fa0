const express = require('express');

const app = express();
app.use(express.json());
app.get('/', (_request, response) => response.json({ user: process.getuid(), mode: process.env.NODE_ENV }));
app.post('/sum', (request, response) => response.json({ sum: request.body.a + request.body.b }));
app.listen(3000, () => console.log('listening'));
process.on('SIGTERM', () => process.exit(0));
