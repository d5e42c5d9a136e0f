"""Note the end of an order, and have its letter posted."""

from datetime import timedelta

from newsletter import domain, store
from newsletter.domain import Post
from newsletter.mailer import Mailer
from tallystick import Delivery, PermanentError, Router
from tallystick_contracts.orders import OrderEnded

router = Router("newsletter")


@router.on(OrderEnded, durable="newsletter-orders")
async def order_ended(event: OrderEnded, delivery: Delivery) -> None:
    """Write the letter: it and the wish to post it are stored in one commit."""
    wish = Post(order_id=event.order_id)
    await delivery.commit(store.write(event.order_id, event.outcome), wish)


@router.effect(Post, give_up_after=timedelta(days=1))
async def post(effect: Post, delivery: Delivery, mailer: Mailer) -> None:
    """Post the letter, under the same key at each attempt, so that the customer gets one."""
    stored = await store.get(delivery.database, effect.order_id)
    if stored is None:
        raise PermanentError(f"no letter about order {effect.order_id}")
    order = str(effect.order_id)
    await mailer.post_letter(f"{order}:letter", order, domain.letter(stored.outcome))
    await delivery.commit(store.posted(effect.order_id))
