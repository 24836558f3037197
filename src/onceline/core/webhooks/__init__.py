"""Events called out to the customers' servers: endpoints, secrets, deliveries, attempts, and who is given up when."""
